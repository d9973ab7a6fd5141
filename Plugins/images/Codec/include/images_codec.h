/*
 * images_codec.h: what the role `images` needs of libvips and OpenSSL, without their types.
 *
 * Every function may be called on any thread, and takes as long as it takes: call those that decode on the pool.
 */
#ifndef IMAGES_CODEC_H
#define IMAGES_CODEC_H

#include <stdint.h>

/* The loader is chosen by the caller, who has looked at the first bytes: none guesses. */
#define IMAGES_JPEG 1u
#define IMAGES_PNG 2u
#define IMAGES_GIF 3u
#define IMAGES_WEBP 4u

#define IMAGES_ERROR_SIZE 256

/** What an image turned out to be. */
typedef struct images_facts {
  uint32_t width;
  uint32_t height;
  uint32_t frames;
  /** Why it is none; empty if it is one. */
  char error[IMAGES_ERROR_SIZE];
} images_facts;

/** Bytes that `images_release` gives back. */
typedef struct images_bytes {
  const void *_Nullable start;
  uint64_t count;
} images_bytes;

/** Decodes all frames, none of which is kept. 0 if all is well; `facts` says what is wrong else. */
int32_t images_check(uint32_t kind, const void *_Nonnull start, uint64_t count, uint32_t frame_limit,
                     uint64_t pixel_limit, images_facts *_Nonnull facts);

/** A smaller one, of the first frame: JPEG and WebP stay what they are, the others become PNG. Never larger than the
 * image. 0 if all is well. */
int32_t images_thumbnail(uint32_t kind, const void *_Nonnull start, uint64_t count, uint32_t width,
                         images_bytes *_Nonnull result, images_facts *_Nonnull facts);
void images_release(images_bytes bytes);

/** SHA-1 (20 bytes) or SHA-256 (32 bytes) of a piece. 0 if all is well. */
int32_t images_sha1(const void *_Nonnull start, uint64_t count, uint8_t *_Nonnull digest);
int32_t images_sha256(const void *_Nonnull start, uint64_t count, uint8_t *_Nonnull digest);

#endif
