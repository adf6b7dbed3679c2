fn main() {
    println!("cargo:warning=jobs {}", std::env::var("NUM_JOBS").unwrap());
}
