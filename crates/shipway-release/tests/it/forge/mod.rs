//! The decisions of CI, at a forge whose merges are real.

mod check_pr;
mod client;
mod effects;
mod figures;
mod fixture;
mod history;
mod merged_refused;
mod merged_release;
mod shapes;
mod table;
mod verify_refused;
mod verify_run;
mod watch;
mod world;
