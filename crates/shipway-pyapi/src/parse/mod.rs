//! From source text to what each module says, one module at a time and without executing anything.

pub(crate) mod guard;
