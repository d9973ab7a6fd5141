#include "secure_sum.h"

#include <openssl/evp.h>
#include <string.h>

// A function that is compiled for several kinds of machine, of which the loader takes the best that this one is.
// Not under the thread sanitizer, which would look at the choosing before it has begun itself.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define LANES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LANES
#endif

// Numbers that all streams pass over before the next ones: with their mask they stay in the first cache.
#define BLOCK 2048

LANES void css_add(const uint32_t *words, uint32_t *sum, size_t n) {
  for (size_t i = 0; i < n; i++) sum[i] += words[i];
}

LANES static void take_away(const uint32_t *words, uint32_t *sum, size_t n) {
  for (size_t i = 0; i < n; i++) sum[i] -= words[i];
}

// The stream of `seed` from a place on, which is a number of 64-byte blocks.
static int begin(EVP_CIPHER_CTX *stream, const uint8_t *seed, uint64_t place) {
  uint8_t start[16] = {0};
  for (int i = 0; i < 8; i++) start[i] = (uint8_t)(place >> 8 * i);
  return EVP_EncryptInit_ex(stream, EVP_chacha20(), NULL, seed, start) == 1;
}

static int pass(EVP_CIPHER_CTX *stream, int sign, uint32_t *words, size_t n) {
  static const uint8_t zeroes[BLOCK * 4];
  uint32_t mask[BLOCK];
  int length = 0;
  if (EVP_EncryptUpdate(stream, (uint8_t *)mask, &length, zeroes, (int)(n * 4)) != 1) return 0;
  if (sign < 0) take_away(mask, words, n);
  else css_add(mask, words, n);
  return 1;
}

// So many streams keep their state at a time.
#define STREAMS 64

static int mask_some(
    const uint8_t *seeds, const int8_t *signs, size_t streams, uint32_t *words, uint64_t first, size_t n) {
  EVP_CIPHER_CTX *contexts[STREAMS] = {0};
  int done = 1;
  for (size_t i = 0; i < streams && done; i++) {
    contexts[i] = EVP_CIPHER_CTX_new();
    done = contexts[i] && begin(contexts[i], seeds + i * CSS_KEY, first / CSS_STEP);
  }
  for (size_t start = 0; start < n && done; start += BLOCK) {
    size_t length = n - start < BLOCK ? n - start : BLOCK;
    for (size_t i = 0; i < streams && done; i++) done = pass(contexts[i], signs[i], words + start, length);
  }
  for (size_t i = 0; i < streams; i++) EVP_CIPHER_CTX_free(contexts[i]);
  return done;
}

int css_mask(const uint8_t *seeds, const int8_t *signs, size_t streams, uint32_t *words, uint64_t first, size_t n) {
  for (size_t i = 0; i < streams; i += STREAMS) {
    size_t some = streams - i < STREAMS ? streams - i : STREAMS;
    if (!mask_some(seeds + i * CSS_KEY, signs + i, some, words, first, n)) return 0;
  }
  return 1;
}

LANES int64_t css_to_words(const float *x, const float *base, float limit, double factor, uint32_t *words, size_t n) {
  int64_t outside = 0, strange = 0;
  for (size_t i = 0; i < n; i++) {
    float d = base ? x[i] - base[i] : x[i];
    strange += d != d;
    outside += d > limit || d < -limit;
    float held = d > limit ? limit : d < -limit ? -limit : d;
    // Adding and taking away 1.5 * 2^52 leaves the nearest whole number in the lower bits.
    double moved = (double)held * factor + 0x1.8p52;
    uint64_t bits;
    memcpy(&bits, &moved, 8);
    words[i] = (uint32_t)bits;
  }
  return strange ? -1 : outside;
}

LANES void css_from_words(const uint32_t *words, const float *base, double inverse, float *y, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (float)((base ? (double)base[i] : 0) + (int32_t)words[i] * inverse);
}
