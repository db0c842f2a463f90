mod building;
mod faults;
mod keeping;
mod refusing;
mod routing;
mod vectors;
mod world;
