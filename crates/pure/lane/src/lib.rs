//! The data plane: transport sessions and the relay table as one machine.
