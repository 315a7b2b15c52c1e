//! Each misuse of the attributes is a file in `fail`, and its message is beside it.
