#include <zlib.h>

/* zlib has these as macros, which Swift does not see. */
static inline int czlib_inflate_init(z_stream *stream, int window) { return inflateInit2(stream, window); }
static inline int czlib_deflate_init(z_stream *stream, int level, int window) {
  return deflateInit2(stream, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
}
/* A smaller window and table: less memory for each of many streams. */
static inline int czlib_deflate_init_small(z_stream *stream, int level, int window, int memory) {
  return deflateInit2(stream, level, Z_DEFLATED, window, memory, Z_DEFAULT_STRATEGY);
}
