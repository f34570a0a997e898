//! The public API of Python distributions: extracted without importing, compared, judged.
//!
//! Nothing here executes Python, opens a connection or reads the clock.

pub mod accept;
pub mod assignment;
mod checks;
pub mod cli;
pub mod contract;
pub mod diff;
mod error;
pub mod finding;
pub mod judge;
mod parse;
pub mod report;
mod resolve;
pub mod rules;
pub mod show;
mod source;
mod stubs;
mod surface;
mod witness;

pub use accept::Acceptance;
pub use assignment::{Assignment, AssignmentError, find_string_assignment};
pub use checks::{dangling_imports, script_targets, surface_differences};
pub use contract::{Contract, Mode, Standing};
pub use diff::{
    ApiDiff, DiffOptions, DiffSide, NotChecked, Scheme, Verdict, check_projects, diff, diff_of_one_project,
    judge_findings,
};
pub use error::PyApiError;
pub use finding::{ApiFinding, Audience, FindingSide, Level};
pub use rules::{Rule, rule, rules};
pub use show::{ApiShow, modules_of};
pub use source::metadata::{DistributionInfo, EntryPoint};
#[doc(hidden)]
pub use surface::read_and_parse;
pub use surface::{ExtractOptions, Surface, extract, extract_pair};
pub use witness::Witnesses;
