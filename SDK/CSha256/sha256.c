#define OPENSSL_SUPPRESS_DEPRECATED
#include "csha256.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK SHA256_CBLOCK
// Fewer are no sooner hashed side by side than one after the other.
#define LEAST 3
#define MOST 16

// OpenSSL's newer functions do not show the state, which the loops below go on with.
struct csha256 {
  SHA256_CTX state;
};

csha256 *csha256_new(void) {
  csha256 *digest = malloc(sizeof *digest);
  if (!digest) abort();
  SHA256_Init(&digest->state);
  return digest;
}

csha256 *csha256_copy(const csha256 *digest) {
  csha256 *copy = csha256_new();
  *copy = *digest;
  return copy;
}

void csha256_free(csha256 *digest) { free(digest); }

void csha256_update(csha256 *digest, const void *bytes, size_t length) {
  if (length > 0) SHA256_Update(&digest->state, bytes, length);
}

void csha256_value(const csha256 *digest, uint8_t *value) {
  SHA256_CTX copy = digest->state;
  SHA256_Final(value, &copy);
}

#if defined(__x86_64__)
#include <cpuid.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

typedef uint32_t lanes8 __attribute__((vector_size(32)));
typedef uint32_t lanes16 __attribute__((vector_size(64)));

#define ROTATED(x, n) ((x) >> (n) | (x) << (32 - (n)))

// FIPS 180-4, 6.2.2, of `count` lanes at once: each has a content of its own, and the first eight numbers of its state.
// The words of a block are put side by side by `fetch`.
#define BLOCKS_IN_LANES(lanes, count, fetch)                                                                 \
  lanes h[8], words[16];                                                                                      \
  for (int i = 0; i < 8; i++)                                                                                 \
    for (int lane = 0; lane < count; lane++) h[i][lane] = state[lane][i];                                     \
  for (size_t at = 0; at < length; at += BLOCK) {                                                             \
    fetch(words, bytes, at);                                                                                  \
    lanes a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];                  \
    _Pragma("clang loop unroll(full)") for (int t = 0; t < 64; t++) {                                         \
      lanes word = words[t & 15];                                                                             \
      if (t >= 16) {                                                                                          \
        lanes early = words[(t + 1) & 15], late = words[(t + 14) & 15];                                       \
        word += (ROTATED(early, 7) ^ ROTATED(early, 18) ^ early >> 3) + words[(t + 9) & 15] +                 \
                (ROTATED(late, 17) ^ ROTATED(late, 19) ^ late >> 10);                                         \
        words[t & 15] = word;                                                                                 \
      }                                                                                                       \
      lanes one = last + (ROTATED(e, 6) ^ ROTATED(e, 11) ^ ROTATED(e, 25)) + ((e & f) ^ (~e & g)) +           \
                  round_constants[t] + word;                                                                  \
      lanes two = (ROTATED(a, 2) ^ ROTATED(a, 13) ^ ROTATED(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));          \
      last = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;                                \
    }                                                                                                         \
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += last;                \
  }                                                                                                           \
  for (int i = 0; i < 8; i++)                                                                                 \
    for (int lane = 0; lane < count; lane++) state[lane][i] = h[i][lane];

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX2 static inline void fetch8(lanes8 *words, const uint8_t *const *bytes, size_t at) {
  for (int lane = 0; lane < 8; lane++)
    for (int t = 0; t < 16; t++) {
      uint32_t word;
      memcpy(&word, bytes[lane] + at + 4 * t, 4);
      words[t][lane] = __builtin_bswap32(word);
    }
}

AVX2 static void blocks8(uint32_t (*state)[8], const uint8_t *const *bytes, size_t length) {
  BLOCKS_IN_LANES(lanes8, 8, fetch8)
}

typedef uint8_t bytes64 __attribute__((vector_size(64)));

// Of two rows, what is in the columns of one half goes to the other row: a step of turning sixteen rows to columns.
#define EXCHANGE(step, low, high)                                                                             \
  for (int i = 0; i < 16; i++)                                                                                \
    if (!(i & step)) {                                                                                        \
      lanes16 x = words[i], y = words[i + step];                                                              \
      words[i] = __builtin_shufflevector(x, y, low);                                                          \
      words[i + step] = __builtin_shufflevector(x, y, high);                                                  \
    }
#define LOW8 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31
#define LOW4 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW2 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW1 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define BYTES_SWAPPED \
  3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16, 23, 22, \
  21, 20, 27, 26, 25, 24, 31, 30, 29, 28, 35, 34, 33, 32, 39, 38, 37, 36, 43, 42, 41, 40, \
  47, 46, 45, 44, 51, 50, 49, 48, 55, 54, 53, 52, 59, 58, 57, 56, 63, 62, 61, 60

// Written number by number it takes half of the time of the whole.
AVX512 static inline void fetch16(lanes16 *words, const uint8_t *const *bytes, size_t at) {
  for (int lane = 0; lane < 16; lane++) {
    memcpy(&words[lane], bytes[lane] + at, BLOCK);
    bytes64 swapped = (bytes64)words[lane];
    words[lane] = (lanes16)__builtin_shufflevector(swapped, swapped, BYTES_SWAPPED);
  }
  EXCHANGE(8, LOW8, HIGH8)
  EXCHANGE(4, LOW4, HIGH4)
  EXCHANGE(2, LOW2, HIGH2)
  EXCHANGE(1, LOW1, HIGH1)
}

AVX512 static void blocks16(uint32_t (*state)[8], const uint8_t *const *bytes, size_t length) {
  BLOCKS_IN_LANES(lanes16, 16, fetch16)
}

uint32_t csha256_width(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  // With instructions for SHA-256, OpenSSL is as fast.
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA) return 1;
  return csha256_widest();
}

uint32_t csha256_widest(void) {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) return 16;
  return __builtin_cpu_supports("avx2") ? 8 : 1;
}

static void blocks_side_by_side(uint32_t (*state)[8], const uint8_t *const *bytes, size_t length, uint32_t width) {
  if (width == 16) blocks16(state, bytes, length);
  else blocks8(state, bytes, length);
}
#else
uint32_t csha256_width(void) { return 1; }
uint32_t csha256_widest(void) { return 1; }

static void blocks_side_by_side(uint32_t (*state)[8], const uint8_t *const *bytes, size_t length, uint32_t width) {
  (void)state, (void)bytes, (void)length, (void)width;
}
#endif

static void count_bytes(SHA256_CTX *state, size_t length) {
  uint64_t bits = ((uint64_t)state->Nh << 32 | state->Nl) + (uint64_t)length * 8;
  state->Nl = (SHA_LONG)bits;
  state->Nh = (SHA_LONG)(bits >> 32);
}

// Whole blocks, of digests that stand at the end of one.
static void update_side_by_side(
    csha256 *const *digests, const void *const *bytes, size_t length, size_t count, uint32_t width) {
  uint32_t state[MOST][8] = {0};
  const uint8_t *starts[MOST];
  for (size_t i = 0; i < width; i++) {
    // A lane that nobody needs hashes something, too.
    starts[i] = bytes[i < count ? i : 0];
    if (i < count) memcpy(state[i], digests[i]->state.h, sizeof state[i]);
  }
  blocks_side_by_side(state, starts, length, width);
  for (size_t i = 0; i < count; i++) {
    memcpy(digests[i]->state.h, state[i], sizeof state[i]);
    count_bytes(&digests[i]->state, length);
  }
}

void csha256_update_all(
    csha256 *const *digests, const void *const *bytes, size_t length, size_t count, uint32_t width) {
  const size_t whole = length / BLOCK * BLOCK;
  for (size_t first = 0; first < count;) {
    size_t some = count - first < width ? count - first : width, hashed = whole;
    for (size_t i = first; i < first + some; i++)
      if (digests[i]->state.num != 0) hashed = 0;
    if (some < LEAST) hashed = 0;
    if (hashed > 0) update_side_by_side(digests + first, bytes + first, hashed, some, width);
    for (size_t i = first; i < first + some; i++)
      csha256_update(digests[i], (const uint8_t *)bytes[i] + hashed, length - hashed);
    first += some;
  }
}

void csha256_leaves(const void *bytes, size_t length, size_t leaf, uint8_t *values, uint32_t width) {
  csha256 digests[MOST], *all[MOST];
  const void *starts[MOST];
  for (size_t start = 0; start < length;) {
    size_t size = length - start < leaf ? length - start : leaf, count = 0;
    for (; count < width && start + size <= length; count++, start += size) {
      SHA256_Init(&digests[count].state);
      all[count] = &digests[count];
      starts[count] = (const uint8_t *)bytes + start;
    }
    csha256_update_all(all, starts, size, count, width);
    for (size_t i = 0; i < count; i++, values += CSHA256_SIZE) SHA256_Final(values, &digests[i].state);
  }
}
