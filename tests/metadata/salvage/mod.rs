//! Salvaging damaged stores: what is found is compared with what the store held.

mod damage_matrix;
mod hostile;
mod sound_stores;
