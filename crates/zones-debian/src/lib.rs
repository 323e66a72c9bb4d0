//! A Debian root from a Debian mirror: signed indices, resolver, parallel fetch and unpack.
