//! Members on the wire.
