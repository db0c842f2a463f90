//! The shell: threads, sockets, disk, and the async API of destinations and streams.
