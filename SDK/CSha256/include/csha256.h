// SHA-256 of one content, and of many side by side. OpenSSL hashes one after the other; a processor without
// instructions for SHA-256 but with wide vectors hashes many at once in a third or a sixth of the time.
#ifndef CSHA256_H
#define CSHA256_H

#include <stddef.h>
#include <stdint.h>

#if __has_feature(nullability) || defined(__clang__)
#pragma clang assume_nonnull begin
#endif

#define CSHA256_SIZE 32

// The digest of what has come so far.
typedef struct csha256 csha256;

csha256 *csha256_new(void);
csha256 *csha256_copy(const csha256 *digest);
void csha256_free(csha256 *digest);
void csha256_update(csha256 *digest, const void *bytes, size_t length);
// More may come afterwards.
void csha256_value(const csha256 *digest, uint8_t *value);

// How many are best hashed side by side on this machine: 16, 8, or 1.
uint32_t csha256_width(void);

// How many can be, whether that is best or not.
uint32_t csha256_widest(void);

// The same as csha256_update of each of `count` digests, with `length` bytes each. At most `width` go side by side:
// csha256_width(), or for tests any up to csha256_widest().
void csha256_update_all(
    csha256 *const _Nonnull *_Nonnull digests, const void *const _Nonnull *_Nonnull bytes, size_t length, size_t count,
    uint32_t width);

// The values of the digests of all stretches of `leaf` bytes, one after the other; the last one may be shorter.
void csha256_leaves(const void *bytes, size_t length, size_t leaf, uint8_t *values, uint32_t width);

#if __has_feature(nullability) || defined(__clang__)
#pragma clang assume_nonnull end
#endif

#endif
