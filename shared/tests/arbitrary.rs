//! Values of every format, drawn at random.
