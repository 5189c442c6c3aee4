//! Why a request was or would be judged so.
