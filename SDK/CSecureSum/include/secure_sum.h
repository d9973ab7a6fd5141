// What SecureSum needs of OpenSSL, and its loops over many numbers, in plain C. No function keeps anything.
#ifndef SECURE_SUM_H
#define SECURE_SUM_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#define CSS_KEY 32
#define CSS_TAG 16
// Numbers of one block of a key stream. Masks begin at multiples of it.
#define CSS_STEP 16

// 1 if all is well, here and below; 0 only if the library fails, or where something else is said.

// X25519. A secret key is any 32 bytes. A public key of low order, which would make the secret known to all, gives 0.
int css_public(const uint8_t *secret, uint8_t *public_key);
int css_agree(const uint8_t *secret, const uint8_t *public_key, uint8_t *shared);
// HKDF with SHA-256: `count` bytes from a secret, other ones for each `purpose`.
int css_derive(
    const uint8_t *secret, size_t secret_count, const uint8_t *purpose, size_t purpose_count, uint8_t *out,
    size_t count);

// ChaCha20-Poly1305 under a key that seals one text only, so the nonce is zero. `out` has room for the tag behind it.
int css_seal(const uint8_t *key, const uint8_t *text, size_t count, uint8_t *out);
// `count` with the tag. 0: it was not sealed with this key.
int css_open(const uint8_t *key, const uint8_t *sealed, size_t count, uint8_t *text);

// Adds key streams (ChaCha20, `seeds` of CSS_KEY bytes each) to numbers, or takes them away where `signs` is -1, for the
// `n` numbers from `first` on, which is a multiple of CSS_STEP. All streams pass over a block while it is in the cache.
int css_mask(const uint8_t *seeds, const int8_t *signs, size_t streams, uint32_t *words, uint64_t first, size_t n);

// words[i] = round((x[i] - base[i]) * factor), after the difference was held within +-limit. Returns how many were
// outside, or -1 if one is not a number. `base` may be null: zeroes then.
int64_t css_to_words(
    const float *x, const float *_Nullable base, float limit, double factor, uint32_t *words, size_t n);
// y[i] = base[i] + (int32)words[i] * inverse
void css_from_words(const uint32_t *words, const float *_Nullable base, double inverse, float *y, size_t n);
// sum[i] += words[i]
void css_add(const uint32_t *words, uint32_t *sum, size_t n);

#pragma clang assume_nonnull end

#endif
