//! The decisions of CI, at a forge whose merges are real.

mod attested;
mod check_pr;
mod client;
mod effects;
mod figures;
mod fixture;
mod gitlab;
mod gitlab_shapes;
mod history;
mod merged_refused;
mod merged_release;
mod shapes;
mod signed;
mod table;
mod verify_refused;
mod verify_run;
mod watch;
mod world;
