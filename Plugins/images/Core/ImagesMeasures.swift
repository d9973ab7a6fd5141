internal import NodeKit

/// What is counted of images.
struct ImagesMeasures {
  private let stored: Counter
  private let duplicates: Counter
  private let storedBytes: Counter
  let removed: Counter
  let refused: Counter
  let damaged: Counter
  let repaired: Counter
  private let images: Gauge
  private let bytes: Gauge
  private let missing: Gauge
  private let uploads: Gauge

  init(_ metrics: Metrics) {
    stored = metrics.counter("images_stored_total", "Images that were acknowledged as new.")
    duplicates = metrics.counter("images_duplicates_total", "Images that were acknowledged and were there already.")
    storedBytes = metrics.counter("images_stored_bytes_total", "Bytes of images that were acknowledged as new.")
    removed = metrics.counter("images_removed_total", "Images that were removed.")
    refused = metrics.counter(
      "images_refused_total", "Uploads that were no images, too large, or not what they promised.")
    damaged = metrics.counter("images_damaged_total", "Copies on this node that were found damaged.")
    repaired = metrics.counter("images_repaired_total", "Copies that this node has got from others.")
    images = metrics.gauge("images_images", "Images that this node knows of.")
    bytes = metrics.gauge("images_bytes", "Bytes of the images that this node knows of.")
    missing = metrics.gauge("images_missing", "Images whose bytes this node lacks.")
    uploads = metrics.gauge("images_uploads", "Uploads that are open.")
  }

  func stored(_ entry: ImageEntry, isDuplicate: Bool) {
    guard !isDuplicate else { return duplicates.add() }
    stored.add()
    storedBytes.add(Double(entry.bytes))
  }

  func show(_ node: ImagesNode) {
    images.set(Double(node.catalogue.liveCount))
    bytes.set(Double(node.catalogue.liveBytes))
    missing.set(Double(node.catalogue.missing.count))
    uploads.set(Double(node.intakes))
  }
}
