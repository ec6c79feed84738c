/// One checkpoint that goes, with what goes along with it.
package struct PruneStep: Sendable {
    /// There may be writes alone.
    package let place: CheckpointPlace
    /// Blobs that no checkpoint names any more once this one is gone.
    package fileprivate(set) var blobs: [ThreadOutline.BlobKey] = []
    /// Checkpoints that stay and lose their parent.
    package fileprivate(set) var orphans: [CheckpointPlace] = []
    /// Whether the plan that is made of what is left after this step would go on like this one.
    ///
    /// Where not, a checkpoint would look as if its interrupt still waited, because what came of the answer is gone.
    package fileprivate(set) var isClean = true
}

extension PrunePlan {
    /// The plan one checkpoint after the other, so that after every step what is still there has all that it needs.
    ///
    /// Finished calls of subgraphs go first: once their caller was gone, nobody would know that they are finished. Then the
    /// newest go first, and each after those that continue it. `outline` is what the plan was made of.
    package func steps(of outline: ThreadOutline) -> [PruneStep] {
        let lineage = Lineage(outline)
        var steps = order(lineage).map { PruneStep(place: $0) }
        addBlobs(to: &steps, lineage)
        var numbers: [CheckpointPlace: Int] = [:]
        for (number, step) in steps.enumerated() { numbers[step.place] = number }
        for place in orphaned {
            guard let index = lineage.indexes[place], let parent = lineage.parents[index],
                let number = numbers[outline.checkpoints[parent].place]
            else { continue }
            steps[number].orphans.append(place)
        }
        markUnclean(&steps, lineage)
        return steps
    }

    private func order(_ lineage: Lineage) -> [CheckpointPlace] {
        let (calls, others) = (
            deleted.filter { droppedNamespaces.contains($0.namespace) },
            deleted.filter { !droppedNamespaces.contains($0.namespace) }
        )
        var order: [CheckpointPlace] = []
        var seen: Set<CheckpointPlace> = []
        func add(_ places: Set<CheckpointPlace>) {
            let newestFirst = places.sorted { left, right in
                left.id != right.id ? left.id > right.id : left.namespace > right.namespace
            }
            for place in newestFirst {
                // Nearly always its children have greater ids, and are there already.
                var path = [place]
                while let next = path.last {
                    let children = lineage.indexes[next].map { lineage.children[$0] } ?? []
                    let first = children.map { lineage.checkpoint($0).place }.first {
                        deleted.contains($0) && !seen.contains($0) && !path.contains($0)
                    }
                    if let first {
                        path.append(first)
                    } else {
                        path.removeLast()
                        if seen.insert(next).inserted { order.append(next) }
                    }
                }
            }
        }
        add(calls)
        add(others)
        return order
    }

    private func addBlobs(to steps: inout [PruneStep], _ lineage: Lineage) {
        var last: [ThreadOutline.BlobKey: Int] = [:]
        var lastOfNamespace: [Identifier: Int] = [:]
        for (number, step) in steps.enumerated() {
            lastOfNamespace[step.place.namespace] = number
            guard let index = lineage.indexes[step.place], let content = lineage.checkpoint(index).content else {
                continue
            }
            for version in content.versions.values {
                last[ThreadOutline.BlobKey(namespace: step.place.namespace, version: version)] = number
            }
        }
        for key in blobs {
            // One that nobody names is of a namespace that goes.
            guard let number = last[key] ?? lastOfNamespace[key.namespace] else { continue }
            steps[number].blobs.append(key)
        }
    }

    private func markUnclean(_ steps: inout [PruneStep], _ lineage: Lineage) {
        // How many checkpoints that go on from it are left, for those that were answered.
        var answered: [Int: Int] = [:]
        for index in lineage.outline.checkpoints.indices
        where lineage.hasWrite(to: .interruptChannel, at: index) && !lineage.isWaiting(index)
            && deleted.contains(lineage.checkpoint(index).place)
        {
            answered[index] = lineage.children[index].count(where: lineage.isStep)
        }
        var unclean = 0
        for number in steps.indices {
            if let index = lineage.indexes[steps[number].place] {
                if answered.removeValue(forKey: index) == 0 { unclean -= 1 }
                if lineage.isStep(index), let parent = lineage.parents[index], let left = answered[parent] {
                    answered[parent] = left - 1
                    if left == 1 { unclean += 1 }
                }
            }
            steps[number].isClean = unclean == 0
        }
    }
}
