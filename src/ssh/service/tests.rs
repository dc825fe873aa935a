use super::*;
use crate::ssh::command::tests::run;

fn unit() -> Unit {
    Unit::new("elasticsearch.service").unwrap()
}

#[test]
fn only_services_with_plain_names_are_units() {
    for name in ["elasticsearch.service", "es@1.service", "_x:y-z.service"] {
        assert_eq!(Unit::new(name).as_ref().map(Unit::as_str), Some(name));
    }
    let long = format!("{}.service", "a".repeat(248));
    for name in ["", ".service", "elasticsearch", "-x.service", "a b.service", "a;b.service", &long]
    {
        assert_eq!(Unit::new(name), None, "{name}");
    }
}

#[test]
fn a_look_tells_the_service_its_processes_and_the_addresses_of_the_host() {
    let text = "uptime=1234.56\nsystem=degraded\n\
        step.0.LoadState=not-found\nstep.0.ActiveState=inactive\n\
        step.1.LoadState=loaded\nstep.1.ActiveState=active\nstep.7.LoadState=loaded\n\
        unit.LoadState=loaded\nunit.ActiveState=active\nunit.Result=success\nunit.Job=0\n\
        unit.InvocationID=0123456789abcdef0123456789abcdef\n\
        unit.ActiveEnterTimestampMonotonic=1200000000\nunit.NRestarts=3\n\
        process=20\nprocess=9\nprocess=x\nother_process=5\n\
        address=192.0.2.7\naddress=127.0.0.1\naddress=fe80::1\naddress=2001:db8::7\naddress=x\n";
    let look = read(text, true, 2);
    assert_eq!((look.uptime, &*look.system, look.steps.len()), (Some(1234), "degraded", 2));
    assert!(!look.steps[0].is_loaded() && look.steps[1].is_loaded());
    let service = look.service.unwrap();
    let told = &service.unit;
    assert!(told.is_active() && told.is_loaded() && !told.is_queued);
    assert_eq!(told.invocation.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    assert_eq!((told.active_since, told.restarts), (Some(1_200_000_000), 3));
    assert_eq!(service.processes.into_iter().collect::<Vec<_>>(), [9, 20]);
    assert_eq!(service.other_processes.into_iter().collect::<Vec<_>>(), [5]);
    let addresses: Vec<String> = service.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.7", "2001:db8::7"]);
    assert_eq!(read(text, false, 0).service, None);
}

#[test]
fn a_run_that_is_over_is_none() {
    let text = "unit.LoadState=loaded\nunit.ActiveState=failed\n\
        unit.InvocationID=0123456789abcdef0123456789abcdef\n";
    let service = read(text, true, 0).service.unwrap();
    assert_eq!((service.unit.invocation.as_deref(), service.unit.word()), (None, "failed"));
    let masked = read("unit.LoadState=masked\nunit.ActiveState=inactive\n", true, 0);
    assert_eq!(masked.service.unwrap().unit.word(), "masked");
}

#[test]
fn nonsense_is_left_out() {
    let text = "unit.LoadState=<b>\nunit.InvocationID=xyz\nuptime=long\nno line\nstep.x.Y=1\n=\n";
    let look = read(text, true, 1);
    let service = look.service.unwrap();
    assert_eq!((look.uptime, &*service.unit.load, service.unit.invocation), (None, "", None));
}

#[test]
fn the_script_runs_and_tells_how_long_the_host_is_up() {
    let output = run(&command(Some(&unit()), &["drover-r-1-1.service"]));
    assert!(output.status.success(), "{output:?}");
    let look = read(&String::from_utf8_lossy(&output.stdout), true, 1);
    assert!(look.uptime.is_some(), "{output:?}");
}

#[test]
fn an_elasticsearch_outside_of_the_unit_is_known_by_its_main_class_whatever_its_program() {
    let mut other = std::process::Command::new("tail")
        .args(["-f", "/dev/null", "org.elasticsearch.bootstrap.Elasticsearch"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut launcher = std::process::Command::new("tail")
        .args(["-f", "/dev/null", "org.elasticsearch.launcher.CliToolLauncher"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let output = run(&command(Some(&unit()), &[]));
    let (other_id, launcher_id) = (other.id(), launcher.id());
    for it in [&mut other, &mut launcher] {
        it.kill().unwrap();
        it.wait().unwrap();
    }
    let service = read(&String::from_utf8_lossy(&output.stdout), true, 0).service.unwrap();
    assert!(service.other_processes.contains(&other_id), "{output:?}");
    assert!(!service.other_processes.contains(&launcher_id), "{output:?}");
}
