fn main() {
    ours::main();
}
