//! SAM, the socket API for programs.
