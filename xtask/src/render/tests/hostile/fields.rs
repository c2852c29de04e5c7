//! Walks every text of a declaration. Structs are taken apart without `..`: a new field does not compile here until it
//! is walked too.

use crate::config::model::{
    Alerts, Bundle, Config, Configuration, File, LinkerChoice, Metrics, Packages, Panel, Product,
    Scrape, Service, Target,
};

/// Changes texts: takes the name of the field and its value.
pub(super) type Change<'a> = &'a mut dyn FnMut(&'static str, String) -> String;

/// The declaration with every text changed. What no document can hold is left out, with the reason.
pub(super) fn change(config: Config, f: Change) -> Config {
    let Config {
        templates,
        product,
        service,
        configuration,
        listeners,
        metrics,
        scrape,
        alerts,
        panels,
        targets,
        packages,
        algorithms,
        signing,
        codesign,
    } = config;
    let Alerts {
        down_for: _,
        restarts_max: _,
        restarts_window: _,
        error_ratio_max: _,
        latency_p99_max: _,
        degraded_for: _,
        certificate_expires_within: _,
    } = &alerts;
    Config {
        // Where templates lie; not written anywhere.
        templates,
        product: change_product(product, f),
        service: change_service(service, f),
        configuration: change_configuration(configuration, f),
        // The one that the configuration refers to is found again.
        listeners: listeners.into_iter().map(|(name, l)| (f("listeners", name), l)).collect(),
        metrics: change_metrics(metrics, f),
        scrape: change_scrape(scrape, f),
        alerts,
        panels: panels.into_iter().map(|panel| change_panel(panel, f)).collect(),
        targets: targets.into_iter().map(|target| change_target(target, f)).collect(),
        packages: packages.map(|packages| change_packages(packages, f)),
        algorithms,
        // No document may ever see them.
        signing,
        codesign,
    }
}

fn change_product(product: Product, f: Change) -> Product {
    let Product {
        name,
        package,
        binary,
        display_name,
        publisher,
        description,
        homepage,
        license_file,
        icon,
        channel,
    } = product;
    Product {
        name: f("product.name", name),
        package: f("product.package", package),
        binary: f("product.binary", binary),
        display_name: f("product.display-name", display_name),
        publisher: f("product.publisher", publisher),
        description: f("product.description", description),
        homepage: f("product.homepage", homepage),
        license_file: f("product.license-file", license_file),
        icon: icon.map(|icon| f("product.icon", icon)),
        channel: f("product.channel", channel),
    }
}

fn change_service(service: Service, f: Change) -> Service {
    let Service {
        name,
        arguments,
        check,
        health,
        restart,
        restart_delay,
        start_timeout,
        stop_timeout,
        account,
        start,
        firewall,
        user,
        readiness,
        reload,
        watchdog,
    } = service;
    Service {
        name: f("service.name", name),
        arguments: each("service.arguments", arguments, f),
        check: each("service.check", check, f),
        health: each("service.health", health, f),
        restart,
        restart_delay,
        start_timeout,
        stop_timeout,
        account,
        start,
        firewall,
        user: f("service.user", user),
        readiness,
        reload,
        watchdog,
    }
}

fn change_configuration(configuration: Configuration, f: Change) -> Configuration {
    let Configuration { template, file_name, port_listener } = configuration;
    // Which template is read; not written anywhere.
    Configuration {
        template,
        file_name: f("configuration.file-name", file_name),
        port_listener: port_listener.map(|name| f("listeners", name)),
    }
}

fn change_metrics(metrics: Metrics, f: Change) -> Metrics {
    let Metrics {
        listener,
        path,
        ready_path,
        start_time,
        requests,
        request_duration,
        certificate_not_after,
        upstream_healthy,
    } = metrics;
    Metrics {
        listener,
        path: f("metrics.path", path),
        ready_path: f("metrics.ready-path", ready_path),
        start_time: f("metrics.families", start_time),
        requests: f("metrics.families", requests),
        request_duration: f("metrics.families", request_duration),
        certificate_not_after: f("metrics.families", certificate_not_after),
        upstream_healthy: upstream_healthy.map(|name| f("metrics.families", name)),
    }
}

fn change_scrape(scrape: Scrape, f: Change) -> Scrape {
    let Scrape { job, targets, interval, timeout, labels } = scrape;
    let label = |(name, value)| (f("scrape.labels name", name), f("scrape.labels value", value));
    let labels = labels.into_iter().map(label).collect();
    Scrape {
        job: f("scrape.job", job),
        targets: each("scrape.targets", targets, f),
        interval,
        timeout,
        labels,
    }
}

fn change_panel(panel: Panel, f: Change) -> Panel {
    let Panel { title, metric, show, labels, unit } = panel;
    Panel {
        title: f("dashboard.panels.title", title),
        metric: f("metrics.families", metric),
        show,
        labels: each("dashboard.panels.labels", labels, f),
        unit,
    }
}

fn change_target(target: Target, f: Change) -> Target {
    let Target {
        triple,
        system,
        linker,
        required,
        c_compiler,
        size_max,
        installer_size_max,
        dlls,
        bundles,
    } = target;
    match &linker {
        LinkerChoice::ByHost | LinkerChoice::SelfContained | LinkerChoice::Msvc => {}
        // Versions of what links; no document is about linking.
        LinkerChoice::Xwin { sdk: _, crt: _ } => {}
    }
    Target {
        triple: f("targets", triple),
        system,
        linker,
        required,
        c_compiler,
        size_max,
        installer_size_max,
        dlls: each("targets.dlls", dlls, f),
        bundles: bundles.into_iter().map(|bundle| change_bundle(bundle, f)).collect(),
    }
}

fn change_packages(packages: Packages, f: Change) -> Packages {
    let Packages { contact, license, details, section, gpg } = packages;
    Packages {
        contact: f("packages.contact", contact),
        license: f("packages.license", license),
        details: f("packages.details", details),
        section: f("packages.section", section),
        gpg,
    }
}

fn change_bundle(bundle: Bundle, f: Change) -> Bundle {
    let Bundle { name, format, compression, texts, files } = bundle;
    let file = |File { source, path, executable }| File {
        source: f("bundles.files.source", source),
        path: f("bundles.files.path", path),
        executable,
    };
    let files = files.into_iter().map(file).collect();
    Bundle { name: f("bundles", name), format, compression, texts, files }
}

fn each(field: &'static str, texts: Vec<String>, f: Change) -> Vec<String> {
    texts.into_iter().map(|text| f(field, text)).collect()
}
