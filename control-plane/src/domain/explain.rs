//! Why a credential is none: what a person may have done to it on the way.
