//! Queue, fairness, the plan of a step, and the prefix cache's policy. Pure.

#![forbid(unsafe_code)]
