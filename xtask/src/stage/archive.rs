//! Stage "archive": the bundles of each target, its debug symbols, and the Prometheus configuration.

use super::{Draft, gpg, installer, package, text_location};
use crate::config::model::{Bundle, Format, System, Target};
use crate::manifest::ArtifactKind;
use crate::plan::{Action, Artifact, Contents, Deflated, Location, Member, Stage, Step};
use crate::render::Group;

/// Unix permission bits of programs and scripts, and of everything else.
pub(super) const EXECUTABLE: u32 = 0o755;
pub(super) const PLAIN: u32 = 0o644;

pub(super) fn add_bundles(draft: &mut Draft<'_>, target: &Target) {
    add_deflate(draft, target);
    for bundle in &target.bundles {
        match bundle.format {
            Format::Nsis => installer::add(draft, target),
            Format::Deb | Format::Rpm | Format::Oci => {
                package::add(draft, target, bundle.format);
            }
            Format::Zip | Format::TarGz => add_bundle(draft, target, bundle),
        }
    }
    let format = match target.system {
        System::Windows => Format::Zip,
        System::Linux => Format::TarGz,
    };
    let symbols = draft.symbols(target);
    let members =
        vec![Member { path: symbols.base_name().to_owned(), source: symbols, mode: PLAIN }];
    add_archive(
        draft,
        format!("{}-symbols", target.triple),
        ArtifactKind::Symbols,
        Some(target),
        format,
        members,
    );
}

/// The program takes most of the time that packing a bundle takes: where several hold it, it is compressed once.
fn add_deflate(draft: &mut Draft<'_>, target: &Target) {
    let Some(Deflated { source, stream }) = shared_stream(draft, target) else { return };
    let (triple, program) = (&target.triple, source.base_name());
    draft.steps.push(Step {
        id: format!("archive/{triple}/{program}.deflate"),
        stage: Stage::Archive,
        target: Some(triple.clone()),
        inputs: vec![source],
        outputs: vec![stream],
        action: Action::Deflate,
    });
}

/// The stream of a target's program, where several bundles hold it.
fn shared_stream(draft: &Draft<'_>, target: &Target) -> Option<Deflated> {
    let holders = target.bundles.iter().filter(|bundle| bundle.format.is_gzipped()).count();
    let source = draft.program(target);
    let stream = format!("deflated/{}/{}.deflate", target.triple, source.base_name());
    (holders > 1).then_some(Deflated { source, stream: Location::Work(stream) })
}

fn add_bundle(draft: &mut Draft<'_>, target: &Target, bundle: &Bundle) {
    let members = bundle_members(draft, target, bundle);
    add_archive(
        draft,
        target.triple.clone(),
        ArtifactKind::Archive,
        Some(target),
        bundle.format,
        members,
    );
}

/// The program, the texts and the files of a bundle, under their names in the bundle.
fn bundle_members(draft: &Draft<'_>, target: &Target, bundle: &Bundle) -> Vec<Member> {
    let program = draft.program(target);
    let program =
        Member { path: program.base_name().to_owned(), source: program, mode: EXECUTABLE };
    let texts = bundle.texts.iter().map(|text| {
        let document = draft
            .documents
            .iter()
            .find(|document| document.text == Some(*text) && document.serves(&target.triple))
            .expect("a declared text that is not rendered for its target is refused");
        Member {
            source: text_location(document),
            path: document.name.clone(),
            mode: mode(document.executable),
        }
    });
    let files = bundle.files.iter().map(|file| Member {
        source: Location::Workspace(file.source.clone()),
        path: file.path.clone(),
        mode: mode(file.executable),
    });
    std::iter::once(program).chain(texts).chain(files).collect()
}

pub(super) fn add_prometheus(draft: &mut Draft<'_>) {
    let prefix = "prometheus/";
    let documents = draft.documents.iter().filter(|document| document.group == Group::Prometheus);
    let members = documents
        .map(|document| Member {
            source: text_location(document),
            path: document.path.strip_prefix(prefix).unwrap_or(&document.path).to_owned(),
            mode: mode(document.executable),
        })
        .collect();
    add_archive(
        draft,
        "prometheus".to_owned(),
        ArtifactKind::Prometheus,
        None,
        Format::TarGz,
        members,
    );
}

/// Adds an archive whose members lie in one folder named as the archive, as people who unpack it expect.
fn add_archive(
    draft: &mut Draft<'_>,
    suffix: String,
    kind: ArtifactKind,
    target: Option<&Target>,
    format: Format,
    members: Vec<Member>,
) {
    let folder = format!("{}-{suffix}", draft.base_name());
    let mut members: Vec<_> = members
        .into_iter()
        .map(|member| Member { path: format!("{folder}/{}", member.path), ..member })
        .collect();
    members.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    push(draft, &folder, kind, target, format, members);
}

/// Adds an archive of these members, named `stem` and the format's extension.
pub(super) fn push(
    draft: &mut Draft<'_>,
    stem: &str,
    kind: ArtifactKind,
    target: Option<&Target>,
    format: Format,
    members: Vec<Member>,
) {
    let artifact = Artifact {
        name: format!("{stem}.{}", format.extension()),
        kind,
        target: target.map(|target| target.triple.clone()),
    };
    let file = Location::Release(artifact.name.clone());
    let packed = gpg::packed(draft, format, &artifact.name);
    let held = |it: &Deflated| members.iter().any(|member| member.source == it.source);
    let stream = target.filter(|_| format.is_gzipped()).and_then(|it| shared_stream(draft, it));
    let deflated = stream.filter(held);
    let sources = members.iter().map(|member| &member.source);
    let epoch = draft.facts.epoch;
    draft.steps.push(Step {
        id: format!("archive/{}", artifact.name),
        stage: Stage::Archive,
        target: artifact.target.clone(),
        inputs: sources.chain(deflated.iter().map(|it| &it.stream)).cloned().collect(),
        outputs: vec![packed.clone()],
        action: Action::Archive { format, members: members.clone(), epoch, deflated },
    });
    gpg::add_rpm(draft, target, packed, file.clone());
    draft.add_artifact(Contents { artifact, file, members });
}

pub(super) fn mode(executable: bool) -> u32 {
    if executable { EXECUTABLE } else { PLAIN }
}
