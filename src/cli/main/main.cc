#include "cli/command.h"

int main(int argc, char** argv) { return pte::cli::run(argc, argv); }
