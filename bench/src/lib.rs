//! Runs servers side by side under load and stores what was measured.
//!
//! A suite asks a question, a file of servers says who may answer it, and a run goes through all measurements in random
//! order, several times. Each turn starts a server as a process, checks that it answers rightly, drives load at it,
//! looks at its processes meanwhile, and stops it. A server is reached only as a process on a port, so that anybody's
//! can take part.
//!
//! In the order of reading: what is asked ([`suite`], [`experiment`], [`servers`], [`command`]), what will be done ([`plan`]), how one
//! turn goes ([`process`], [`check`], [`sampler`] with the clocks of [`clocks`] and [`own_group`]), what a request costs in system calls ([`system_calls`], [`strace`]),
//! and what surrounds it ([`cpus`], [`ports`]). Two commits ([`commits`], [`trees`]) are put side by
//! side by [`compare`] under load and by [`counting`] in what noise cannot move ([`counters`], [`valgrind`]).
//! What runs come to over months is kept and looked at by [`history`].

pub mod accounting;
pub mod calibrate;
pub mod ceiling;
pub mod check;
pub mod cli;
pub mod clocks;
pub mod command;
pub mod commands;
pub mod commits;
pub mod company;
pub mod compare;
pub mod counters;
pub mod counting;
pub mod cpus;
pub mod description;
pub mod documents;
pub mod duration;
pub mod environment;
pub mod experiment;
pub mod generator;
pub mod history;
pub mod interrupts;
mod look;
pub mod measurement;
pub mod meeting;
pub mod noise;
pub mod others;
pub mod own_group;
pub mod plan;
pub mod ports;
pub mod process;
pub mod process_tree;
pub mod programs;
pub mod progress;
pub mod project;
pub mod recording;
pub mod request;
pub mod roots;
pub mod run;
pub mod running;
pub mod sampler;
pub mod seed;
pub mod servers;
pub mod staleness;
pub mod strace;
pub mod suite;
pub mod system_calls;
pub mod throttling;
pub mod toml_file;
pub mod trees;
pub mod turn;
pub mod valgrind;
