/* Calls of Arm's semihosting: files of the machine that runs the emulator. */
#ifndef SEMIHOST_H
#define SEMIHOST_H

#include <stdint.h>

/* "rb", "r+b", "wb", "w+b" */
enum semihost_mode { SEMIHOST_READ = 1, SEMIHOST_UPDATE = 3, SEMIHOST_WRITE = 5, SEMIHOST_CREATE = 7 };

/* A file in the emulator's working directory; negative if it cannot be opened. path_len: without the final zero. */
int32_t semihost_open(const char *path, uint32_t path_len, enum semihost_mode mode);

/* Reads up to len bytes and returns how many: fewer only at the end of the file. */
uint32_t semihost_read(int32_t file, void *data, uint32_t len);

/* Returns how many bytes could be written. */
uint32_t semihost_write(int32_t file, const void *data, uint32_t len);

/* Goes to a place in the file; 0, or negative. */
int32_t semihost_seek(int32_t file, uint32_t off);

/* Bytes in the file; negative if that is not known. */
int32_t semihost_len(int32_t file);

/* Ends the emulator with this exit code. */
void semihost_exit(uint32_t code) __attribute__((noreturn));

#endif
