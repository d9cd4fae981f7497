//! The command line: its flags, its configuration file, what it prints, and its exit codes.

mod commands;
mod config;
mod endings;
mod examples;
mod folders;
mod isolated;
mod migrating;
mod run;
mod waiting;
