//! Control of a running host by other processes on the same machine: the host's socket, how to find
//! it, and the client.

mod client;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod server;

pub(crate) use client::{Asked, Host, Method, runtime};
#[cfg(unix)]
pub(crate) use server::{Socket, open};
