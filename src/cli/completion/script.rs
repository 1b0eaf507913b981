//! The scripts that shells read.

use clap::ValueEnum;
use clap_complete::env::{Elvish, EnvCompleter, Powershell};

use crate::cli::completion::VARIABLE;

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// `PowerShell`
    #[value(name = "powershell")]
    Powershell,
    /// Zsh
    Zsh,
}

impl Shell {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// The script for a shell. It runs the program of this name that the shell finds in PATH.
pub(crate) fn script(shell: Shell) -> String {
    let own = match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        Shell::Zsh => ZSH,
        Shell::Elvish => return by_library(&Elvish),
        Shell::Powershell => return by_library(&Powershell),
    };
    own.replace("VARIABLE", VARIABLE)
}

fn by_library(shell: &dyn EnvCompleter) -> String {
    let mut script = Vec::new();
    // A vector takes everything.
    let _ = shell.write_registration(VARIABLE, "boltkey", "boltkey", "boltkey", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// bash 4 and later completes paths by itself. Other candidates come with their quotes.
const BASH: &str = r#"# Completions of boltkey for bash: source <(boltkey completions bash)
_boltkey() {
    local kind value
    COMPREPLY=()
    {
        IFS= read -r kind
        while IFS= read -r value; do
            COMPREPLY+=("${value%%$'\t'*}")
        done
    } < <(VARIABLE=bash command boltkey -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case $kind in
        files) compopt -o default 2>/dev/null || COMPREPLY+=($(compgen -f -- "$2")) ;;
        folders) compopt -o dirnames 2>/dev/null || COMPREPLY+=($(compgen -d -- "$2")) ;;
        *)
            if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/=] ]]; then
                compopt -o nospace 2>/dev/null
            fi
            ;;
    esac
}
complete -F _boltkey boltkey
"#;

const ZSH: &str = r#"#compdef boltkey
# Completions of boltkey for zsh: source <(boltkey completions zsh), or a file _boltkey in fpath
_boltkey() {
    local -a lines names described open
    local line name
    lines=("${(@f)$(VARIABLE=zsh command boltkey -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in "${(@)lines[2,-1]}"; do
        name=${line%%$'\t'*}
        [[ -n $name ]] || continue
        if [[ $name == *[:/=] ]]; then
            open+=("$name")
            continue
        fi
        names+=("$name")
        name=${${name//\\/\\\\}//:/\\:}
        [[ $line == *$'\t'* ]] && name+=":${line#*$'\t'}"
        described+=("$name")
    done
    (( $#open )) && compadd -S '' -a open
    (( $#described )) && _describe -V 'value' described
    case $lines[1] in
        files) compset -P '*='; _files ;;
        folders) compset -P '*='; _files -/ ;;
    esac
}
if [[ $funcstack[1] == _boltkey ]]; then
    _boltkey "$@"
else
    compdef _boltkey boltkey;
fi
"#;

const FISH: &str = r#"# Completions of boltkey for fish: boltkey completions fish | source
function __boltkey_ask
    set -l before (commandline --current-process --tokenize --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor)
    VARIABLE=fish command boltkey -- $before $word 2>/dev/null
end
function __boltkey_values
    __boltkey_ask | tail -n +2
end
function __boltkey_wants
    set -l kind (__boltkey_ask | head -n 1)
    test "$kind" = $argv[1]
end
complete -c boltkey -f
complete -c boltkey -k -a '(__boltkey_values)'
complete -c boltkey -n '__boltkey_wants files' -F
complete -c boltkey -n '__boltkey_wants folders' -a '(__fish_complete_directories (commandline -ct))'
"#;
