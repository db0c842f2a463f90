mod closing;
mod hostile;
mod opening;
mod operations;
mod pair;
mod reading;
mod transfers;
