//! The control plane: REST, gRPC, console, fleet, and the tollway command.
