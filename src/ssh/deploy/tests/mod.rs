mod difference;
mod recalling;
mod scripts;
mod staging;
mod stand;
mod swapping;
