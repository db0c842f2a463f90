mod closing;
mod faults;
mod hostile;
mod opening;
mod operations;
mod pair;
mod reading;
mod transfers;
