mod building;
mod keeping;
mod refusing;
mod routing;
mod vectors;
mod world;
