//! A member's tokens, without their texts.
