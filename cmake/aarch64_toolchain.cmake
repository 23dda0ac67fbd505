# Debian's and Ubuntu's cross compiler for AArch64; programs run under qemu-user.  Preset aarch64 uses this.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
find_program(BINADE_CROSS_COMPILER NAMES aarch64-linux-gnu-g++ aarch64-linux-gnu-g++-14 aarch64-linux-gnu-g++-13 aarch64-linux-gnu-g++-12 REQUIRED)
set(CMAKE_CXX_COMPILER ${BINADE_CROSS_COMPILER})
string(REPLACE g++ gcc CMAKE_C_COMPILER ${BINADE_CROSS_COMPILER})  # googletest asks for one
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu)
# Libraries and packages of the build machine are of another kind; headers serve both, after those of the C library for AArch64.
set(CMAKE_CXX_FLAGS_INIT "-idirafter /usr/include")
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# At -O3 the vectorizer of g++ 12 for AArch64 ends with an internal error in a test.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG" CACHE STRING "Flags of a Release build")
