#include "trainer_native.h"

#include <openssl/evp.h>

int32_t trainer_sha256(const void *start, uint64_t count, uint8_t *digest) {
  unsigned int length = 0;
  return EVP_Digest(start, count, digest, &length, EVP_sha256(), NULL) == 1 && length == 32 ? 0 : -1;
}
