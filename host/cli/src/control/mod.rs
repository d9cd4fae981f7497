//! Control of a running host by other processes on the same machine: the host's socket, how to find
//! it, and the client.

mod client;
mod folder;
mod server;

pub(crate) use client::{Asked, Host, Method, runtime};
pub(crate) use server::{Socket, open};
