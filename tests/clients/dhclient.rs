//! ISC dhclient 4.4.3 as Debian 12 runs it, with Debian's own script; the kernel reads the Router Advertisement.
