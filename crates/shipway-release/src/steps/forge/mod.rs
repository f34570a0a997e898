//! The decisions of CI about releases, taken from what the forge says now and never from the text of a commit.
