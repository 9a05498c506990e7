//! The modules of `cpu` as a crate of their own, for their tests.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the functions that Burn's tensors come through are left out")]

#[path = "../../src/cpu/mod.rs"]
mod cpu;
