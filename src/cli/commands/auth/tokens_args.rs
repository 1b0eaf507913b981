//! The arguments that name the tokens of `auth rotate`, `update` and `delete`.

use clap::Args;

use crate::cli::commands::auth::filters::FiltersButStatus;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::Id;
use crate::ops::auth::list::Filters;
use crate::ops::auth::selected_tokens::{SelectedTokens, Which};

/// IDs, or filters, or all.
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// IDs of the tokens, 16 hex digits each; in place of them, filters or --all
    #[arg(value_name = "ID")]
    ids: Vec<Id>,
    #[command(flatten)]
    filters: FiltersButStatus,
    /// Every token
    #[arg(long, help_heading = "Filters")]
    all: bool,
    /// Not this token, though the filters or --all include it; may be repeated
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    except: Vec<Id>,
}

impl TokensArgs {
    /// The tokens. `active` is the filter for the status.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] unless there are IDs only, filters only or `--all` only.
    pub fn selected(self, active: Option<bool>) -> Result<SelectedTokens> {
        let usage = |why: &str, hint: &str| {
            Err(Error::new(ErrorKind::Usage, why).with_hint(hint.to_owned()))
        };
        let filters = Filters {
            active,
            ..self.filters.into()
        };
        let which = match (self.ids.is_empty(), filters.is_empty(), self.all) {
            (true, true, false) => {
                return usage(
                    "no token is named",
                    "name tokens by ID, or by filters such as --user NAME, or use --all; boltkey \
                     auth list takes the same filters and shows which tokens they match",
                );
            }
            (false, true, false) if self.except.is_empty() => Which::Ids(self.ids),
            (false, true, false) => {
                return usage(
                    "--except can't be combined with IDs",
                    "leave out the IDs of the tokens that stay",
                );
            }
            (true, false, false) => Which::Filters(Box::new(filters)),
            (true, true, true) => Which::All,
            (false, false, _) | (false, _, true) => {
                return usage(
                    "IDs can't be combined with filters or --all",
                    "use either IDs or filters",
                );
            }
            (true, false, true) => {
                return usage(
                    "--all can't be combined with filters",
                    "leave out --all to change only the tokens that match the filters",
                );
            }
        };
        Ok(SelectedTokens {
            which,
            except: self.except,
        })
    }
}
