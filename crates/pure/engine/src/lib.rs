//! Everything that decides: netDb, tunnels, garlic sessions, destinations and streams as one machine.
