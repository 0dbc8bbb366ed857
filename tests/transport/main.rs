//! What comes over the wire may be slow, endless, broken or from elsewhere: an error each, after a known
//! number of requests, and the session stays.

mod bodies;
mod broken;
mod elsewhere;
mod place;
mod proxy;
mod raw;
mod slow;
mod tls;
