//! What the process as a whole is told.
