/* Files and what is packed in them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "network.h"

static int32_t read_whole(int file, const char *path, uint64_t limit, training_bytes *bytes, training_error *error) {
  struct stat facts;
  if (fstat(file, &facts) != 0) return training_fail(error, "%s: %s", path, strerror(errno));
  if (!S_ISREG(facts.st_mode)) return training_fail(error, "%s is not a file", path);
  const uint64_t size = (uint64_t)facts.st_size;
  if (size > limit)
    return training_fail(error, "%s has %llu bytes; at most %llu are read", path, (unsigned long long)size,
                         (unsigned long long)limit);
  uint8_t *room = malloc(size > 0 ? size : 1);
  if (!room) return training_fail(error, "no memory for the %llu bytes of %s", (unsigned long long)size, path);
  uint64_t done = 0;
  while (done < size) {
    ssize_t count = read(file, room + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      free(room);
      return training_fail(error, "%s: %s", path, count < 0 ? strerror(errno) : "it became shorter while it was read");
    }
    done += (uint64_t)count;
  }
  *bytes = (training_bytes){room, size};
  return 0;
}

int32_t training_read_file(const char *path, uint64_t limit, training_bytes *bytes, training_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return training_fail(error, "%s: %s", path, strerror(errno));
  int32_t result = read_whole(file, path, limit, bytes, error);
  close(file);
  return result;
}

void training_release(training_bytes bytes) { free((void *)bytes.start); }

/* zlib counts in 32 bits. */
#define PIECE (1u << 30)

int32_t training_inflate(uint32_t kind, const void *packed, uint64_t packed_count, void *room, uint64_t count,
                         training_error *error) {
  z_stream stream = {0};
  if (inflateInit2(&stream, kind == TRAINING_GZIP ? 15 + 16 : -15) != Z_OK) return training_fail(error, "no memory");
  uint64_t taken = 0, made = 0;
  uint8_t over;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_in = (Bytef *)packed + taken;
    stream.avail_in = packed_count - taken < PIECE ? (uInt)(packed_count - taken) : PIECE;
    /* One byte more than expected has a place of its own, so that it is seen. */
    stream.next_out = made < count ? (Bytef *)room + made : &over;
    stream.avail_out = made < count ? (count - made < PIECE ? (uInt)(count - made) : PIECE) : 1;
    const uInt in = stream.avail_in, out = stream.avail_out;
    state = inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    made += out - stream.avail_out;
    if (made > count || (in == stream.avail_in && out == stream.avail_out)) break;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || made != count)
    return training_fail(error, "what is packed is damaged, or has not the %llu bytes that it should",
                         (unsigned long long)count);
  return 0;
}

uint32_t training_crc32(const void *start, uint64_t count) {
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), start, count);
}
