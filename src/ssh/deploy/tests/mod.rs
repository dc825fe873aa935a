mod difference;
mod scripts;
mod staging;
mod stand;
mod swapping;
