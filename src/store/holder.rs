//! Processes that hold a file.

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process ID, in the namespace of this process.
    pub pid: u32,
    /// The name of the program, if it can be read.
    pub program: Option<String>,
}

impl Holder {
    /// The process with this number.
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            program: program_of(pid),
        }
    }

    /// Its program and number, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.program {
            Some(program) => format!("{program} (pid {})", self.pid),
            None => format!("pid {}", self.pid),
        }
    }
}

fn program_of(pid: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let name: String = name
        .trim_end()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    (!name.is_empty()).then_some(name)
}
