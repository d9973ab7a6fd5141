/// The section about objects.
extension ManifestDecoder {
  private static let keyExpectation =
    "`${file:PATH}` or `${NAME}` that holds 32 bytes in base64 or hexadecimal: `head -c 32 /dev/urandom | base64`"

  func blobs(_ node: YamlNode?, at place: SourcePlace) -> BlobSettings {
    let section = ManifestSection(
      node, named: "blobs", keys: ["keys", "key", "free_floor_mb", "unfinished_days"], at: place, log: log)
    var settings = BlobSettings()
    let entries = ManifestSection.entries(
      section["keys"], named: "blobs.keys", of: "key ids and keys", limit: ManifestLimits.blobKeys, log: log)
    settings.keys = entries.compactMap { blobKey($0, section) }
    settings.sealingKey = sealingKey(section, entries.map(\.key.text))
    if let megabytes = section.integer("free_floor_mb", in: ManifestLimits.blobFreeFloorMegabytes) {
      settings.freeFloorBytes = UInt64(megabytes) << 20
    }
    settings.unfinishedDays =
      section.integer("unfinished_days", in: ManifestLimits.blobUnfinishedDays) ?? settings.unfinishedDays
    return settings
  }

  private func blobKey(_ entry: YamlEntry, _ section: ManifestSection) -> BlobSettings.Key? {
    let id = entry.key.text
    if !ManifestSection.isName(id) {
      log.add("`\(id)` cannot name a key", at: entry.key.place, expected: .described(ManifestSection.nameExpectation))
      return nil
    }
    let isReference = entry.value.scalar?.written?.contains("${") == true
    if isReference, let text = entry.value.scalar?.text, let key = BlobSettings.Key(id: id, text: text) { return key }
    let what = isReference ? "is no key of 32 bytes" : "is written out"
    var fault = Fault("`blobs.keys.\(id)` \(what)", at: entry.value.place, expected: .described(Self.keyExpectation))
    fault.isSecret = true
    log.add(fault)
    return nil
  }

  /// Which key seals what is new must be plain to see: an order of keys is easily changed by accident.
  private func sealingKey(_ section: ManifestSection, _ ids: [String]) -> String? {
    if let node = section["key"], let id = section.text("key", expected: "the id of a key") {
      if ids.contains(id) { return id }
      log.add(
        "`key` is \(node.shown), which is not among `blobs.keys`", at: node.place, expected: .oneOf(ids),
        word: node.scalar?.shown)
    } else if ids.count > 1 {
      section.missing("key", expected: "the id of the key that seals new objects; the others only open old ones")
    }
    return ids.first
  }
}
