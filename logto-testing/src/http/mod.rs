//! A small HTTP/1.1 server, which can also do what no server should.

mod connection;
mod date;
mod params;
mod post;
mod request;
mod response;
mod server;
mod stop;

pub(crate) use params::Params;
pub(crate) use post::post_form;
pub(crate) use request::Request;
pub(crate) use response::{Delivery, Reply, Response};
pub(crate) use server::{Handler, Server, bind};
