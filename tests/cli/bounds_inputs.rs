//! Every argument of every command that names something to be read, and a run in which `@` stands
//! for it.

/// `COMMAND | ARGUMENT | ARGUMENTS`. The files are those of `bounds::prepare`.
pub const INPUTS: &str = "
apply | FILE | @ -d several.bolt -y
apply | --identity | list.toml --identity @ -d several.bolt -y
apply | --passphrase-file | list.toml --passphrase-file @ -d several.bolt -y
apply | --db | list.toml -d @ -y
auth clone | --token-file | ID --token-file @ -d several.bolt -y
auth clone | --db | ID -d @ -y
auth create | --from-json | --from-json @ --user alice --org acme -d several.bolt -y
auth create | --token-file | --operator --user alice --org acme --token-file @ -d several.bolt -y
auth create | --db | --operator --user alice --org acme -d @ -y
auth create-operator | --db | --username alice --org acme -d @ -y
auth delete | --db | ID -d @ -y
auth export | DATABASE | @ --out new
auth export | --passphrase-file | --out new --passphrase-file @ -d several.bolt
auth export | --db | --out new -d @
auth list | DATABASE | @
auth list | --db | -d @
auth rotate | --token-file | ID --token-file @ -d several.bolt -y
auth rotate | --passphrase-file | --all --token-out new --passphrase-file @ -d several.bolt -y
auth rotate | --db | ID -d @ -y
auth show | --db | ID -d @
auth update | --db | ID --status inactive -d @ -y
auth verify | DATABASE | @ --token-file token
auth verify | --token-file | --token-file @ -d several.bolt
auth verify | --db | --token-file token -d @
backup export | DATABASE | @ --out new
backup export | --sqlite-path | --out new --sqlite-path @ -d several.bolt
backup export | --db | --out new -d @
backup inspect | BACKUP | @
backup inspect | --operator-token-file | backup --operator-token-file @
backup restore | BACKUP | @ --to new --operator-token-file token
backup restore | --to | backup --to @ --force -y --new-operator --user alice --org acme
backup restore | --operator-token-file | backup --to new --operator-token-file @
backup restore | --sqlite-path | backup --to new --sqlite-path @ --force -y --new-operator --user alice --org acme
backup restore | --engine-path | backup --to new --engine-path @ --new-operator --user alice --org acme
backup token | DIR | @ --out new --generate
backup token | --token-file | backup --out new --token-file @
bucket adopt | --engine-path | --all --org acme --engine-path @ -d several.bolt -y
bucket adopt | --db | --all --org acme --engine-path engine -d @ -y
bucket create | --db | --org acme --name new -d @ -y
bucket list | DATABASE | @
bucket list | --db | -d @
capture | DATABASE | @ --out new
capture | --passphrase-file | --out new --passphrase-file @ -d plain.bolt
capture | --db | --out new -d @
capture verify | FILE | @ -d plain.bolt
capture verify | --identity | sealed.age --identity @ -d plain.bolt
capture verify | --passphrase-file | sealed.age --passphrase-file @ -d plain.bolt
capture verify | --db | token -d @
check | DATABASE | @
check | --db | -d @
compact | DATABASE | @ --out new
compact | --db | --out new -d @
convert | DATABASE | @ --out new
convert | --db | --out new -d @
diff | A | @ several.bolt
diff | B | several.bolt @
diff | --db | --previous -d @
doctor | PATH | @
doctor | --engine-path | --engine-path @ -d several.bolt
doctor | --sqlite-path | --sqlite-path @ -d several.bolt
doctor | --db | -d @
downgrade apply | --sqlite-path | --to 2.4 --sqlite-path @ -d plain.bolt -y
downgrade apply | --db | --to 2.7 -d @ -y
downgrade check | DATABASE | @ --to 2.7
downgrade check | --sqlite-path | --to 2.4 --sqlite-path @ -d plain.bolt
downgrade check | --db | --to 2.7 -d @
downgrade prepare | --tokens | --tokens @ -d lived.bolt -y
downgrade prepare | --from-db | --from-db @ -d lived.bolt -y
downgrade prepare | --files | --files @ -d lived.bolt -y
downgrade prepare | --identity | --tokens token --identity @ -d lived.bolt -y
downgrade prepare | --passphrase-file | --tokens token --passphrase-file @ -d lived.bolt -y
downgrade prepare | --db | --from-residue -d @ -y
hash | --capture | --capture @ -d plain.bolt -y
hash | --identity | --capture sealed.age --identity @ -d plain.bolt -y
hash | --passphrase-file | --capture new --passphrase-file @ -d plain.bolt -y
hash | --db | --no-capture -d @ -y
locate | --db | -d @
org create | --db | --name new -d @ -y
org list | DATABASE | @
org list | --db | -d @
recover operator | --db | --user alice --org acme -d @ -y
repair | --engine-path | --engine-path @ -d several.bolt -y
repair | --sqlite-path | --sqlite-path @ -d several.bolt -y
repair | --db | -d @ -y
report | STORE | @ --out new.html
report | --db | --out new.html -d @
residue recover | DATABASE | @ --out new
residue recover | --files | --out new --files @ -d lived.bolt
residue recover | --passphrase-file | --out new --passphrase-file @ -d lived.bolt
residue recover | --db | --out new -d @
residue scan | DATABASE | @
residue scan | --files | --files @ -d lived.bolt
residue scan | --db | -d @
residue scrub | --db | -d @ -y
salvage | DATABASE | @ --out new
salvage | --db | --out new -d @
setup | --password-file | --username a --org o --bucket b --password-file @ -d new
setup | --engine-path | --username a --org o --bucket b --password-file password --engine-path @ -d new
setup | --token-file | --username a --org o --bucket b --password-file password --token-file @ -d new
setup | --db | --username a --org o --bucket b --password-file password -d @
status | DATABASE | @
status | --db | -d @
token hash | --token-file | --token-file @
user create | --password-file | --name new --password-file @ -d several.bolt -y
user create | --db | --name new -d @ -y
user delete | --db | --name alice -d @ -y
user list | DATABASE | @
user list | --db | -d @
user password | --password-file | --name alice --password-file @ -d several.bolt -y
user password | --db | --name alice --password-file password -d @ -y
user update | --db | --name alice --rename new -d @ -y
user verify | DATABASE | @ --name alice --password-file password
user verify | --password-file | --name alice --password-file @ -d several.bolt
user verify | --db | --name alice --password-file password -d @
v1 auth create | --password-file | --username new --org acme --user alice --read-bucket metrics --password-file @ -d several.bolt -y
v1 auth create | --db | --username new --org acme --user alice --read-bucket metrics --no-password -d @ -y
v1 auth delete | --db | --username collectd -d @ -y
v1 auth list | DATABASE | @
v1 auth list | --db | -d @
v1 auth password | --password-file | --username collectd --password-file @ -d several.bolt -y
v1 auth password | --db | --username collectd --password-file password -d @ -y
v1 auth update | --db | --username collectd --status inactive -d @ -y
v1 dbrp create | --db | --org acme --bucket metrics --database new -d @ -y
v1 dbrp delete | --db | --id ID -d @ -y
v1 dbrp list | DATABASE | @
v1 dbrp list | --db | -d @
v1 dbrp update | --db | --id ID --default -d @ -y
";

/// Arguments that name what is written.
pub const OUTPUTS: [&str; 3] = ["--out", "--token-out", "--keep-copy"];

/// One line of [`INPUTS`].
#[derive(Debug, Clone, Copy)]
pub struct Input {
    pub command: &'static str,
    pub argument: &'static str,
    arguments: &'static str,
}

impl Input {
    pub fn all() -> Vec<Self> {
        let lines = INPUTS.lines().filter(|line| !line.is_empty());
        let inputs = lines.map(|line| {
            let [command, argument, arguments] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            Self {
                command,
                argument,
                arguments,
            }
        });
        inputs.collect()
    }

    /// The words of the run with this path.
    pub fn words<'w>(&'w self, path: &'w str) -> Vec<&'w str> {
        let words = self.command.split(' ').chain(self.arguments.split(' '));
        let words = words.map(|word| match word {
            "@" => path,
            "ID" => "11af8a5123848000",
            word => word,
        });
        words.collect()
    }
}
